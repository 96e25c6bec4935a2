"""The HTTP edge of the services: parse, ask a service, encode. No decision is made here.

routes.py      the one table of routes; app.py and openapi.py are made from it
endpoint.py    what every route has in common: who asks, query, body, answer
handlers/      one file per family
middlewares.py request id, log line, figures, and the mapping of every failure
problems.py    code -> HTTP status, in one place
server.py      listener, graceful stop, the port of the figures
"""
