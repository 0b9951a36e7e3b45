"""The shop for Django REST framework."""

from django.urls import path
from rest_framework import serializers, throttling, viewsets
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework_simplejwt import views as jwt

from .models import Author, Book


class AuthorSerializer(serializers.ModelSerializer):
    class Meta:
        model = Author
        fields = ["id", "name"]


class BookSerializer(serializers.ModelSerializer):
    written_by = AuthorSerializer(source="author", read_only=True)

    class Meta:
        model = Book
        fields = ["id", "title", "author", "written_by"]


class Few(throttling.UserRateThrottle):
    scope = "few"


class AuthorViewSet(viewsets.ModelViewSet):
    queryset = Author.objects.order_by("pk")
    serializer_class = AuthorSerializer


class BookViewSet(viewsets.ModelViewSet):
    # Made as this module is loaded: it means whichever tenant is active as it is read.
    queryset = Book.objects.select_related("author").order_by("pk")
    serializer_class = BookSerializer
    filterset_fields = ["author", "title"]

    @action(detail=False, throttle_classes=[Few])
    def few(self, request):
        return Response(self.get_queryset().count())


router = DefaultRouter()
router.register("authors", AuthorViewSet)
router.register("books", BookViewSet)
urlpatterns = [
    path("token/", obtain_auth_token),
    path("jwt/", jwt.token_obtain_pair),
    path("jwt/refresh/", jwt.token_refresh),
    path("jwt/verify/", jwt.token_verify),
    path("jwt/blacklist/", jwt.token_blacklist),
    *router.urls,
]
