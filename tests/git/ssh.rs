//! A private sshd.
