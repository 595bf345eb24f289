"""One file a family: how its product is put up, and how its logical defects come about."""
