"""What an item is: the ledger, keys, groups and the tables between the stages."""
