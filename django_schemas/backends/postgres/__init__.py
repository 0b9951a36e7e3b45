"""What our PostgreSQL backends change of Django's, one module for each of Django's own."""
