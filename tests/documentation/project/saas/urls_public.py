"""What the public host serves."""

urlpatterns: list = []
