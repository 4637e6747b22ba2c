"""The connector as an HTTP service: callers' requests come in, checked calls with the real credential go out (extra ``gateway``)."""
