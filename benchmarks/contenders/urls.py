"""No pages: nothing here is asked for."""

urlpatterns: list[object] = []
