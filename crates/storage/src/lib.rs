//! Disk: the segment log, the epochs page, recovery and the image.
