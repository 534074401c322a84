"""The parts of `bench/peers.py`.

  cli      the command line, and the order of the runs
  rows     the measurements: one module for each kind of row
  rig      directories, sources, timing and verifying of one run
  process  starting, awaiting and ending of programs
  line     a proxy that counts and holds
  pipe     a packet pipe between two network namespaces: a long line of real TCP
  raw      bytes in several streams without a protocol
  native   the first bytes of FTX/1, for connections that no client program makes
  report   tables and JSON
  targets  the targets of ftx
  ftx, library, nginx, rsync, vsftpd, cp    the peers
"""
