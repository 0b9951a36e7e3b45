"""What tenants are served."""

urlpatterns: list = []
