"""Django's own tests on our backend, with every model of its test project in an environment.

`python -m tests.django_suite` runs them. This package is also an app of that project: its `migrate` command makes the
schema that a multi-schema environment needs before the first test.
"""
