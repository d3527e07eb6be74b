"""The Linux kernel's routing as we see it: rtnetlink messages, our routes put into its tables, and
its own routes, neighbours, links and addresses learnt from it. No input or output: control.runtime
has the sockets.
"""
