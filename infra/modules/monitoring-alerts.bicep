// One rule per thing that an operator must know of. Metric names are those of shared/domain/measures.py, log names those
// of the code's log lines; each description ends with the heading of docs/runbook.md that says what to do.
param token string
param location string
param tags object
param insightsId string
param workspaceId string
param clientId string
param actionGroupId string

// `breach` is `rows`: fires when the query answers any row; `silence`: when it answers none.
var alerts = [
  {
    name: 'work-poisoned'
    scope: insightsId
    severity: 1
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'A message was given up after its last try. What to do: docs/runbook.md#work-was-given-up'
    query: '''
      union
        (customMetrics | where name == "work.poisoned" and valueSum > 0 | project timestamp),
        (traces | where message startswith "work.poisoned" or message startswith "upkeep.page-poisoned" | project timestamp)
    '''
  }
  {
    name: 'poison-queue-not-empty'
    scope: workspaceId
    severity: 1
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'The host put a message on a poison queue. What to do: docs/runbook.md#work-was-given-up'
    query: '''
      StorageQueueLogs
      | where OperationName == "PutMessage" and Uri contains "-poison/" and toint(StatusCode) == 201
    '''
  }
  {
    name: 'timer-silent'
    scope: insightsId
    severity: 1
    breach: 'silence'
    frequency: 'PT5M'
    window: 'PT5M'
    description: 'No successful tick in two periods of five minutes. What to do: docs/runbook.md#the-timer-is-silent'
    query: '''
      customMetrics
      | where name == "work.ticks" and valueSum > 0
    '''
  }
  {
    name: 'rotation-overdue'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'Something due has waited for over 15 minutes. What to do: docs/runbook.md#a-rotation-is-overdue'
    query: '''
      customMetrics
      | where name == "due.oldest_age" and valueMax > 900
    '''
  }
  {
    name: 'rotation-keeps-failing'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT1H'
    window: 'P2D' // from one daily round to the next, however long it takes
    description: 'A rotation has failed for a day or more. What to do: docs/runbook.md#a-rotation-keeps-failing'
    query: '''
      customMetrics
      | where name == "rotation.overdue"
      | summarize arg_max(timestamp, valueMax) by method = tostring(customDimensions.method)
      | where valueMax > 0
    '''
  }
  {
    name: 'rotation-failing'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT15M'
    window: 'PT1H'
    description: 'Over a tenth of an hour\'s rotations failed. What to do: docs/runbook.md#rotations-fail'
    query: '''
      customMetrics
      | where name == "rotations"
      | summarize failed = sumif(valueSum, tostring(customDimensions.outcome) == "failed"), ended = sum(valueSum)
      | where failed >= 3 and failed * 10 > ended
    '''
  }
  {
    name: 'needs-reconnect'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT15M'
    window: 'PT30M'
    description: 'A connection needs its owner to connect again. What to do: docs/runbook.md#a-connection-needs-a-reconnect'
    query: '''
      union
        (customMetrics | where name == "connection.transitions" and tostring(customDimensions.state) == "needs-reconnect"),
        (customMetrics | where name == "access_token.refused" and tostring(customDimensions.reason) == "needs-reconnect")
      | where valueSum > 0
    '''
  }
  {
    name: 'credential-expiring'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT1H'
    window: 'PT6H'
    description: 'A credential ends within 14 days. What to do: docs/runbook.md#a-credential-ends-soon'
    query: '''
      customMetrics
      | where name == "connection.expiry_warnings" and toint(customDimensions.days) <= 14 and valueSum > 0
    '''
  }
  {
    name: 'server-errors'
    scope: insightsId
    severity: 1
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'Over one in a hundred requests ends in 5xx. What to do: docs/runbook.md#requests-end-in-5xx'
    query: '''
      requests
      | where isnotempty(url)
      | summarize failed = sumif(itemCount, toint(resultCode) >= 500), total = sum(itemCount)
      | where failed >= 5 and failed * 100 > total
    '''
  }
  {
    name: 'upstream-throttled'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'Key Vault, Graph, Entra or storage tells us to slow down. What to do: docs/runbook.md#an-upstream-throttles'
    query: '''
      customMetrics
      | where name == "upstream.throttled"
      | summarize answers = sum(valueSum) by service = tostring(customDimensions.service)
      | where answers >= 10
    '''
  }
  {
    name: 'own-credential-refused'
    scope: insightsId
    severity: 1
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'Entra refuses the service\'s own app. What to do: docs/runbook.md#entra-refuses-the-services-own-app'
    query: '''
      traces
      | where message startswith "entra.own-credential-refused"
    '''
  }
  {
    name: 'vault-read-by-another'
    scope: workspaceId
    severity: 1
    breach: 'rows'
    frequency: 'PT5M'
    window: 'PT15M'
    description: 'Not the service reached into the vault. What to do: docs/runbook.md#somebody-else-reached-into-the-vault'
    query: '''
      AZKVAuditLogs
      | where OperationName startswith "Secret" and HttpStatusCode < 300
      | where tostring(Identity.claim.appid) != "SERVICE_CLIENT_ID"
    '''
  }
  {
    name: 'audit-not-written'
    scope: insightsId
    severity: 1
    breach: 'rows'
    frequency: 'PT15M'
    window: 'PT30M'
    description: 'An audit line could not be written. What to do: docs/runbook.md#an-audit-line-is-missing'
    query: '''
      traces
      | where message startswith "audit.not-written"
    '''
  }
  {
    name: 'line-to-act-on'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT15M'
    window: 'PT30M'
    description: 'A log line says that somebody must act. What to do: docs/runbook.md#a-line-asks-for-somebody'
    query: '''
      traces
      | where message startswith "rotation.passwords-left"
          or message startswith "events.dropped"
          or message startswith "upkeep.row-unreadable"
          or message startswith "health.settings"
          or message startswith "entra.request-loop"
    '''
  }
  {
    name: 'events-not-leaving'
    scope: insightsId
    severity: 2
    breach: 'rows'
    frequency: 'PT15M'
    window: 'PT6H'
    description: 'The topic has taken no event for half an hour. What to do: docs/runbook.md#events-do-not-leave'
    query: '''
      let taken = toscalar(traces | where message startswith "events.published" | summarize max(timestamp));
      traces
      | where message startswith "work.paused" and message has "action=publish"
      | where isnull(taken) or timestamp > taken
      | summarize begun = min(timestamp), newest = max(timestamp)
      | where newest - begun > 30m
    '''
  }
  {
    name: 'upkeep-silent'
    scope: insightsId
    severity: 2
    breach: 'rows' // not `silence`: a deployment that is younger than a day owes no round yet
    frequency: 'PT1H'
    window: 'P2D'
    description: 'No daily round came to its end in two days. What to do: docs/runbook.md#the-daily-round-is-silent'
    query: '''
      union
        (customMetrics | where name == "work.ticks" and valueSum > 0 | project timestamp, round = 0),
        (traces | where message startswith "upkeep.done" | project timestamp, round = 1)
      | summarize rounds = sum(round), since = min(timestamp)
      | where rounds == 0 and since < ago(36h)
    '''
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in alerts: {
  name: '${alert.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.name
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [alert.scope]
    evaluationFrequency: alert.frequency
    windowSize: alert.window
    autoMitigate: true
    skipQueryValidation: true // the tables appear with the first telemetry
    criteria: {
      allOf: [
        {
          query: replace(alert.query, 'SERVICE_CLIENT_ID', clientId)
          timeAggregation: 'Count'
          operator: alert.breach == 'rows' ? 'GreaterThan' : 'LessThan'
          threshold: alert.breach == 'rows' ? 0 : 1
          failingPeriods: {
            // one late batch of telemetry is no silence
            numberOfEvaluationPeriods: alert.name == 'timer-silent' ? 2 : 1
            minFailingPeriodsToAlert: alert.name == 'timer-silent' ? 2 : 1
          }
        }
      ]
    }
    actions: { actionGroups: [actionGroupId] }
  }
}]
