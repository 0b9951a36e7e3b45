"""The public site, on the bare domain: what the product is, sign-up, and the platform staff's admin."""
