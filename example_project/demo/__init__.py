"""The demonstration: a real server, real requests as each of three tenants, and what each of them saw.

Run by `python -m example_project.demo`. `story` tells it from beginning to end.
"""
