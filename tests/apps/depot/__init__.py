"""An app of the environment `depot`, whose models refer to the registry with real constraints."""
