//! Placeholder head; the room's own documentation replaces it.
