"""Those that are compared: a package each, with its settings and its work. Each runs as a process of its own."""
