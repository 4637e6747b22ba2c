"""What takes more than one call: a connector, a connection and inputs come in; whole lists, finished jobs and typed results go out.

Flows use the facade alone and know no provider: how its lists page and its jobs end is data, in the parts of its manifest.
"""
