"""The product: customers, tickets and comments of one company. Nothing here knows of other companies."""
