"""`make bench`: the product measured against its physical floor, side by side in one run on the local stack."""
