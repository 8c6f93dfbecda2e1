//! How a peer was chosen, for who asks why.

/// How one was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// What a method came to that computes its choice; the last step is the chosen one's, unless it was left to
    /// round robin.
    pub steps: Vec<Step>,
    pub by: By,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Round robin, or there was only one.
    #[default]
    Turn,
    /// The method of the group.
    Method,
    /// The request named it.
    Id,
}

/// One number that was computed, and whom it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub number: Number,
    /// The index of a `server` line.
    pub server: usize,
    /// It could be asked.
    pub open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// `hash`: of the checksum of the key, behind the number of the try where there was one before, fifteen bits;
    /// they are added to those before, and the rest by the weight of all counts.
    Sum { rehash: u32, crc: u32, sum: u32, weight: u64 },
    /// `hash … consistent`: the checksum of the key, and a point (from 0) of so many at this place of the ring.
    Point { crc: u32, point: usize, points: usize, place: u32 },
    /// `ip_hash`: a number made of the client's network, of which the rest by the weight of all counts.
    Network { hash: u32, weight: u64 },
}
