"""The files of an app `polls`, as a newcomer has written it by the end of Django's tutorial: put into a new project."""

__all__ = ["FILES"]

_MODELS = """
from django.db import models


class Question(models.Model):
    question_text = models.CharField(max_length=200)
    pub_date = models.DateTimeField("date published", auto_now_add=True)

    def __str__(self):
        return self.question_text


class Choice(models.Model):
    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    choice_text = models.CharField(max_length=200)
    votes = models.IntegerField(default=0)
"""

_ADMIN = """
from django.contrib import admin

from .models import Choice, Question

admin.site.register([Question, Choice])
"""

_URLS = """
from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import ListView

from polls.models import Choice, Question


class Index(ListView):
    queryset = Question.objects.order_by("-pub_date")  # made as this module is imported

    def render_to_response(self, context):
        return HttpResponse("\\n".join(map(str, context["object_list"])) or "No polls are available.")


@csrf_exempt
def vote(request, pk):
    choice = get_object_or_404(Choice, pk=pk)
    choice.votes += 1
    choice.save()
    return HttpResponse(str(choice.votes))


urlpatterns = [path("polls/", Index.as_view()), path("vote/<int:pk>/", vote), path("admin/", admin.site.urls)]
"""

FILES = {
    "polls/__init__.py": "",
    "polls/models.py": _MODELS,
    "polls/admin.py": _ADMIN,
    "mysite/urls.py": _URLS,
}
