"""A shop as an app of plain Django: 10 models, 16 migrations. All contenders serve this one, unchanged."""
