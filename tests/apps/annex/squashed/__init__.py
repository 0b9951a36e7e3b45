"""The migrations after the middle two were squashed; both are still there, as long as somebody needs them."""
