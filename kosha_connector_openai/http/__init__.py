"""HTTP clients behind one seam: a WireRequest goes in, a reply whose body has not been read comes out; no other folder imports one."""
