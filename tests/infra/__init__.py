"""What infra/ says, held against what the code needs. No Azure and no Bicep CLI is needed."""
