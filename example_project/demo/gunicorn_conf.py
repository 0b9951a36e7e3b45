"""How gunicorn serves the demonstration. Settings that an older version does not know are passed over."""

bind = "127.0.0.1:0"
workers = 1
threads = 4
# It would be a file in the user's home.
control_socket_disable = True
