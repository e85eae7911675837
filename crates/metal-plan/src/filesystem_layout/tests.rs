//! Rules of filesystem layouts.
