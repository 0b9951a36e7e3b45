"""What is different in a database of Citus's: classes that a connection lays over the backend's own where
`DATABASES` says `CITUS`, each module the one of its name.
"""
