"""`edgerun bench`: how long a scan waits on this machine, and for what; scans and a pack go in, a report comes out."""
