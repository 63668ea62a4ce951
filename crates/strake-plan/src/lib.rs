//! strake-plan
