# The system call bpf(2), as it is: a command and its attributes.
