//! The `error_code` of a cache reply.

/// What kind of failure a cache reply reports; `Display` text is `CACHE_...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request is malformed or asks for something that makes no sense.
    BadRequest,
    /// The stored value has another type than the operation needs.
    WrongType,
    /// A condition did not hold.
    Conflict,
    /// Larger than a limit.
    TooLarge,
    /// The disk is full.
    NoSpace,
    /// Too much in flight; try again.
    Overloaded,
    /// The server cannot serve this now.
    Unavailable,
    /// The write may or may not have happened.
    UnknownOutcome,
    /// Not allowed.
    Denied,
    /// Who are you?
    Unauthenticated,
    /// A constraint on the value is violated.
    Constraint,
    /// A fault of the server.
    Internal,
    /// Known to the protocol, not done by this server.
    NotSupported,
}

impl Code {
    /// The text on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::BadRequest => "CACHE_BAD_REQUEST",
            Code::WrongType => "CACHE_WRONG_TYPE",
            Code::Conflict => "CACHE_CONFLICT",
            Code::TooLarge => "CACHE_TOO_LARGE",
            Code::NoSpace => "CACHE_NO_SPACE",
            Code::Overloaded => "CACHE_OVERLOADED",
            Code::Unavailable => "CACHE_UNAVAILABLE",
            Code::UnknownOutcome => "CACHE_UNKNOWN_OUTCOME",
            Code::Denied => "CACHE_DENIED",
            Code::Unauthenticated => "CACHE_UNAUTHENTICATED",
            Code::Constraint => "CACHE_CONSTRAINT",
            Code::Internal => "CACHE_INTERNAL",
            Code::NotSupported => "CACHE_NOT_SUPPORTED",
        }
    }
}
