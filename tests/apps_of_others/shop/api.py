"""The shop for django-ninja."""

from django.shortcuts import get_object_or_404
from ninja import ModelSchema, NinjaAPI, Schema, Status
from ninja.pagination import paginate
from ninja.security import HttpBearer
from ninja_jwt.authentication import JWTAuth
from rest_framework.authtoken.models import Token

from .models import Author, Book


class ByToken(HttpBearer):
    def authenticate(self, request, token):
        found = Token.objects.filter(key=token).select_related("user").first()
        return found and found.user


class Written(Schema):
    title: str
    author: int


class BookOut(ModelSchema):
    class Meta:
        model = Book
        fields = ["id", "title", "author"]


api = NinjaAPI(auth=ByToken())


@api.get("/books", response=list[BookOut])
@paginate
def books(request):
    return Book.objects.order_by("pk")


@api.post("/books", response={201: BookOut})
def add(request, payload: Written):
    author = get_object_or_404(Author, pk=payload.author)
    return Status(201, Book.objects.create(title=payload.title, author=author))


@api.get("/books/{pk}", response=BookOut)
def book(request, pk: int):
    return get_object_or_404(Book, pk=pk)


@api.put("/books/{pk}", response=BookOut)
def change(request, pk: int, payload: Written):
    found = get_object_or_404(Book, pk=pk)
    found.title, found.author = payload.title, get_object_or_404(Author, pk=payload.author)
    found.save()
    return found


@api.delete("/books/{pk}", response={204: None})
def remove(request, pk: int):
    get_object_or_404(Book, pk=pk).delete()
    return Status(204, None)


@api.get("/later/{pk}", response=BookOut)
async def later(request, pk: int):
    return await Book.objects.aget(pk=pk)


@api.get("/me", auth=JWTAuth())
def me(request):
    return request.user.email
