//! Whose turn it is, without asking everybody: smooth weighted round robin among a thousand peers in the time of a few.
//!
//! In a turn as nginx takes it (`ngx_http_upstream_get_peer`) every peer that may be asked gains its weight, and the
//! richest pays what all have gained. Two things save us the walk. Peers of one weight gain alike, so whoever is ahead
//! of another of its [`Class`] stays ahead until one of them pays: a class needs one number for what its members have
//! gained, and a heap of what they had beside that. And what all gain is the sum of what the classes gain. So a turn
//! looks at the top of each class, of which there are as many as different weights.
//!
//! That holds for peers which are as they should be. The others are few, mostly, and kept apart ([`Spot`]): those that
//! cannot be asked do not take part, and those whose weight changes are asked one by one. What a member has is written
//! into its [`Peer::current`] when it leaves its class; until then [`Turns::current`] knows.
//!
//! With `least_conn` a class is of one weight and one count of connections. Classes stand in the order of their load,
//! and a turn is one among those in front that are loaded alike.

use std::cmp::{Ordering, Reverse};

use super::heap::{self, NONE, Node};
use super::peer::{FULL, Now, Peer, Standing};
use super::round::Round;

#[derive(Debug, Default)]
pub struct Turns {
    kept: Kept,
    /// By peer.
    spots: Vec<Spot>,
    /// By peer; the key is what it has beside what its class has gained.
    nodes: Vec<Node>,
    classes: Vec<Class>,
    /// Classes with members, the least loaded first.
    order: Vec<u32>,
    /// Classes without any.
    free: Vec<u32>,
    odd: Vec<u32>,
    resting: Vec<u32>,
    /// The last second at which everybody who rests still does.
    rest_until: i64,
    aside: Vec<u32>,
}

/// What is known of peers before a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Who is richest of each weight.
    #[default]
    ByWeight,
    /// Who is richest of each weight and count of connections.
    ByLoad,
    /// Nothing: everybody is looked at. What they have is in [`Peer::current`], for a method to change.
    Nothing,
}

/// Where a peer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// With others of this class: it may be asked, and will be until something happens to it.
    Class(u32),
    /// It has to be looked at in each turn.
    Odd,
    /// It cannot be asked for some seconds.
    Resting,
    /// It cannot be asked until something happens to it.
    Shut,
    /// It takes no part in this turn.
    Aside,
    /// It is about to be placed.
    Nowhere,
}

/// Peers that gain alike.
#[derive(Debug)]
struct Class {
    load: Load,
    /// What each member has gained since there is this class, wrapping around.
    gained: i64,
    /// The richest.
    top: u32,
    count: i64,
}

/// How much a peer has to do for its weight.
#[derive(Clone, Copy, Debug)]
struct Load {
    connections: i64,
    /// In hundredths.
    weight: i64,
}

/// Who takes part in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    All,
    /// Those with the fewest connections for their weight; where that is one there is no turn.
    LeastLoaded,
}

/// The richest so far, and what all have gained.
#[derive(Default)]
struct Tally {
    best: Option<(i64, Reverse<usize>)>,
    total: i64,
}

impl Turns {
    /// Begins anew, after peers have come or gone; before that they have to have been [left](Turns::leave).
    pub fn begin(&mut self, peers: &mut [Peer], kept: Kept, now: Now) {
        self.kept = kept;
        self.spots = vec![Spot::Nowhere; peers.len()];
        self.nodes = vec![Node::new(0); peers.len()];
        for list in [&mut self.odd, &mut self.resting, &mut self.aside] {
            list.reserve(peers.len());
        }
        self.rest_until = i64::MAX;
        for at in 0..peers.len() {
            self.place(peers, at, now);
        }
    }

    /// Writes down what everybody has, and forgets them.
    pub fn leave(&mut self, peers: &mut [Peer]) {
        for at in 0..self.spots.len() {
            peers[at].current = self.current(peers, at);
        }
        *self = Turns { kept: self.kept, ..Turns::default() };
    }

    /// What smooth weighted round robin has given a peer and not taken back.
    pub fn current(&self, peers: &[Peer], at: usize) -> i64 {
        match self.spots[at] {
            Spot::Class(class) => self.nodes[at].key.wrapping_add(self.classes[class as usize].gained),
            _ => peers[at].current,
        }
    }

    /// Keeps a peer where it belongs, after something has happened to it.
    pub fn place(&mut self, peers: &mut [Peer], at: usize, now: Now) {
        let peer = &peers[at];
        let spot = match peer.standing(now) {
            Standing::Steady if self.kept != Kept::Nothing => return self.join(peers, at),
            Standing::Steady | Standing::Odd => Spot::Odd,
            Standing::Resting => Spot::Resting,
            Standing::Shut => Spot::Shut,
        };
        if spot == Spot::Resting {
            self.rest_until = self.rest_until.min(peer.rests_until());
        }
        if self.spots[at] != spot {
            self.take(peers, at);
            self.list(spot).into_iter().for_each(|list| list.push(at as u32));
            self.spots[at] = spot;
        }
    }

    /// One turn, in which those this request has tried take no part. Whoever is chosen pays, `named` in its place if
    /// there is one, and has to be [placed](Turns::place) then.
    pub fn turn(
        &mut self,
        peers: &mut [Peer],
        among: Among,
        named: Option<usize>,
        round: &Round,
        now: Now,
    ) -> Option<usize> {
        self.wake(peers, now);
        self.set_aside(peers, round);
        let chosen = match among {
            Among::All => self.pay(peers, None, named, now),
            Among::LeastLoaded => match self.least_loaded(peers, now) {
                Some((load, None)) => self.pay(peers, Some(load), named, now),
                Some((_, only)) => only,
                None => None,
            },
        };
        self.tidy(peers, now);
        chosen
    }

    /// One turn among so few that they can be asked one by one.
    pub fn turn_of(&mut self, peers: &mut [Peer], few: &[usize], round: &Round, now: Now) -> Option<usize> {
        let is_open = |peer: &Peer| !round.has_tried(peer) && peer.is_usable(now);
        // Whoever is alone gets back what it pays.
        if let [at] = few
            && matches!(self.spots[*at], Spot::Class(_))
        {
            return Some(*at).filter(|at| is_open(&peers[*at]));
        }
        let mut tally = Tally::default();
        for at in few.iter().copied() {
            self.take(peers, at);
            if is_open(&peers[at]) {
                tally.total += peers[at].gain(now);
                tally.add(at, peers[at].current);
            }
        }
        let chosen = tally.first();
        if let Some(at) = chosen {
            peers[at].current -= tally.total;
        }
        few.iter().for_each(|at| self.place(peers, *at, now));
        chosen
    }

    /// Everybody gains, or all with this load, and one pays.
    fn pay(
        &mut self,
        peers: &mut [Peer],
        load: Option<Load>,
        named: Option<usize>,
        now: Now,
    ) -> Option<usize> {
        let mut tally = Tally::default();
        for class in &self.order {
            let class = &mut self.classes[*class as usize];
            if load.is_some_and(|load| class.load.cmp(load).is_ne()) {
                break;
            }
            let share = class.load.weight;
            class.gained = class.gained.wrapping_add(share);
            tally.total += share * class.count;
            tally.add(class.top as usize, self.nodes[class.top as usize].key.wrapping_add(class.gained));
        }
        for at in self.odd.iter().map(|at| *at as usize) {
            let peer = &mut peers[at];
            if peer.is_usable(now) && load.is_none_or(|load| Load::of(peer, now).cmp(load).is_eq()) {
                tally.total += peer.gain(now);
                tally.add(at, peer.current);
            }
        }
        let payer = named.or(tally.first())?;
        self.take(peers, payer);
        peers[payer].current -= tally.total;
        Some(payer)
    }

    /// The least load of those that may be asked, and who has it where that is one.
    fn least_loaded(&self, peers: &[Peer], now: Now) -> Option<(Load, Option<usize>)> {
        let odd = self.odd.iter().map(|at| *at as usize).filter(|at| peers[*at].is_usable(now));
        let odd = odd.map(|at| (Load::of(&peers[at], now), 1, at));
        let mut classes = self.order.iter().map(|class| &self.classes[*class as usize]).peekable();
        let front = classes.peek().map(|class| class.load);
        let classes = classes.take_while(|class| front.is_some_and(|front| class.load.cmp(front).is_eq()));
        let classes = classes.map(|class| (class.load, class.count, class.top as usize));
        let mut least: Option<(Load, Option<usize>)> = None;
        for (load, count, at) in classes.chain(odd) {
            match least.map_or(Ordering::Less, |(least, _)| load.cmp(least)) {
                Ordering::Less => least = Some((load, Some(at).filter(|_| count == 1))),
                Ordering::Equal => least = Some((load, None)),
                Ordering::Greater => {}
            }
        }
        least
    }

    /// Looks at those again who have rested for long enough.
    fn wake(&mut self, peers: &mut [Peer], now: Now) {
        if now.seconds() <= self.rest_until {
            return;
        }
        self.rest_until = i64::MAX;
        for index in (0..self.resting.len()).rev() {
            self.place(peers, self.resting[index] as usize, now);
        }
    }

    fn set_aside(&mut self, peers: &mut [Peer], round: &Round) {
        for id in round.tried.iter() {
            let Some(at) = id.place(peers) else { continue };
            self.take(peers, at);
            self.spots[at] = Spot::Aside;
            self.aside.push(at as u32);
        }
    }

    /// After a turn: those set aside go back, and who is as it should be again joins the others.
    fn tidy(&mut self, peers: &mut [Peer], now: Now) {
        while let Some(at) = self.aside.last() {
            // Placing takes it out.
            self.place(peers, *at as usize, now);
        }
        for index in (0..self.odd.len()).rev() {
            self.place(peers, self.odd[index] as usize, now);
        }
    }

    /// Puts a peer among those of its class.
    fn join(&mut self, peers: &mut [Peer], at: usize) {
        let connections = if self.kept == Kept::ByLoad { peers[at].connections as i64 } else { 0 };
        let load = Load { connections, weight: peers[at].weight * FULL };
        if let Spot::Class(class) = self.spots[at]
            && self.classes[class as usize].load.is_same(load)
        {
            return;
        }
        self.take(peers, at);
        let id = self.class(load);
        let class = &mut self.classes[id as usize];
        self.nodes[at] = Node::new(peers[at].current.wrapping_sub(class.gained));
        class.top = heap::add(&mut self.nodes, class.top, at as u32);
        class.count += 1;
        self.spots[at] = Spot::Class(id);
    }

    /// Takes a peer from where it is kept, and writes down what it has.
    fn take(&mut self, peers: &mut [Peer], at: usize) {
        peers[at].current = self.current(peers, at);
        let spot = std::mem::replace(&mut self.spots[at], Spot::Nowhere);
        if let Spot::Class(id) = spot {
            let class = &mut self.classes[id as usize];
            class.top = heap::remove(&mut self.nodes, class.top, at as u32);
            class.count -= 1;
            if class.count == 0 {
                let place = self.find(self.classes[id as usize].load);
                self.order.remove(place.unwrap_or_else(|place| place));
                self.free.push(id);
            }
        } else if let Some(list) = self.list(spot) {
            // Mostly it came last.
            let place = list.iter().rposition(|other| *other as usize == at);
            place.map(|place| list.swap_remove(place));
        }
    }

    fn list(&mut self, spot: Spot) -> Option<&mut Vec<u32>> {
        match spot {
            Spot::Odd => Some(&mut self.odd),
            Spot::Resting => Some(&mut self.resting),
            Spot::Aside => Some(&mut self.aside),
            Spot::Class(_) | Spot::Shut | Spot::Nowhere => None,
        }
    }

    /// The class of this load, and of its weight.
    fn class(&mut self, load: Load) -> u32 {
        let place = match self.find(load) {
            Ok(place) => return self.order[place],
            Err(place) => place,
        };
        let class = Class { load, gained: 0, top: NONE, count: 0 };
        let id = self.free.pop().unwrap_or(self.classes.len() as u32);
        match self.classes.get_mut(id as usize) {
            Some(unused) => *unused = class,
            None => self.classes.push(class),
        }
        self.order.insert(place, id);
        id
    }

    /// Where the class of this load and weight stands in the order, or would.
    fn find(&self, load: Load) -> Result<usize, usize> {
        self.order.binary_search_by(|class| {
            let other = self.classes[*class as usize].load;
            other.cmp(load).then(other.weight.cmp(&load.weight))
        })
    }
}

impl Load {
    fn of(peer: &Peer, now: Now) -> Load {
        Load { connections: peer.connections as i64, weight: peer.weight * peer.throttle(now) }
    }

    fn cmp(self, other: Load) -> Ordering {
        (self.connections * other.weight).cmp(&(other.connections * self.weight))
    }

    fn is_same(self, other: Load) -> bool {
        (self.connections, self.weight) == (other.connections, other.weight)
    }
}

impl Tally {
    /// The richest counts, the first of several.
    fn add(&mut self, at: usize, current: i64) {
        self.best = self.best.max(Some((current, Reverse(at))));
    }

    fn first(&self) -> Option<usize> {
        self.best.map(|(_, Reverse(at))| at)
    }
}
