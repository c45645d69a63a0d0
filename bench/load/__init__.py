"""`make load`: mixed traffic while upstream calls fail at random and the host is killed; then everything is checked.

`ledger` keeps what was asked and answered, `evidence` what is there in the end; `verdicts` compares the two.
"""
