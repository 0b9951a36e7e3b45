"""Harbor Desk: a small help desk sold to many companies, each in a PostgreSQL schema of its own.

Read it in this order: `settings` (what lives where), `helpdesk` (the product: it knows nothing of tenants),
`website` (the public site, where sign-up makes a tenant), `urls_public` and `urls_tenant`, then `serve` and
`demo`, which run it all.
"""
