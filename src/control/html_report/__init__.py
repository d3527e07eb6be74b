"""Reports as one self-contained HTML file each: no script, nothing loaded from anywhere."""
