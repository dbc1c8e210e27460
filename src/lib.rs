//! MPREG node as a library.
