"""One connection to a server, and what keeps it alive. Private to the package.

::

    session     the connection that is opened again when it is lost
    connection  requests and their answers, messages nobody asked for
    tcp, ws     bytes
    endpoint    what a URL means          backoff   how long to wait
    message     JSON and request ids      options   limits of time
"""
