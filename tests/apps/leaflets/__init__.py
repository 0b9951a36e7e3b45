"""An app of no environment: its models live where Django puts them."""
