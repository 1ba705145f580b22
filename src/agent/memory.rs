//! Gives memory back between passes.
//!
//! A pass over a thousand resources takes and frees tens of megabytes in small pieces, from several threads. glibc keeps
//! what is freed for later, in each of its arenas: an agent that idles most of the time would hold several times of what it
//! uses. Other allocators that privlink is built with (musl's, macOS') give it back by themselves.
//!
//! Of all arenas but the first it never gives back the end, however much is free there. So there is only the first: what an
//! agent does is to wait for others, and its few threads hardly meet in it.

/// Lets all threads take memory from one arena, to be called before the first of them begins.
pub fn share_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc offers it to C only; it takes two numbers, and no thread runs yet")]
        // SAFETY: mallopt(3) has no preconditions; a parameter that it does not know it refuses.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Gives the system back what is free, to be called while nothing runs. It costs a few milliseconds.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc offers it to C only; it takes a number, and locks what it touches")]
        // SAFETY: malloc_trim(3) has no preconditions and is safe among threads.
        let _ = unsafe { libc::malloc_trim(0) };
    }
}
