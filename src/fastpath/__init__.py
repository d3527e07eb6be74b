"""The data plane: packets and tables. It knows no signalling and never imports control."""
