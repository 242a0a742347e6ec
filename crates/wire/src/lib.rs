//! Native bytes: frames and encodings that clients and the log rely on.
