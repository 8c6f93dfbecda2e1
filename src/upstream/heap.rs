//! Heaps that share one array of nodes: who has the greatest key is on top, of several the one that comes first.
//!
//! They are skew heaps (Sleator and Tarjan, 1986): two are merged along their right edges, the children being swapped
//! on the way, which keeps those edges short on average. To add is to merge with one node, to remove is to merge the
//! children. A node can leave from anywhere, none of it needs memory, and a node has to be in one heap only.

/// No node.
pub const NONE: u32 = u32::MAX;

/// A place in one of the heaps, by the index of whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Keys of one heap are never further apart than half of what the type holds, so that they may wrap around: their
    /// difference says which is greater, as with the sequence numbers of TCP.
    pub key: i64,
    up: u32,
    left: u32,
    right: u32,
}

impl Node {
    pub fn new(key: i64) -> Node {
        Node { key, up: NONE, left: NONE, right: NONE }
    }
}

/// Adds a new node to the heap with this root, and gives back the root.
pub fn add(nodes: &mut [Node], root: u32, node: u32) -> u32 {
    let root = merge(nodes, root, node);
    nodes[root as usize].up = NONE;
    root
}

/// Removes a node from the heap with this root, and gives back the root.
pub fn remove(nodes: &mut [Node], root: u32, node: u32) -> u32 {
    let Node { up, left, right, .. } = nodes[node as usize];
    let merged = merge(nodes, left, right);
    if merged != NONE {
        nodes[merged as usize].up = up;
    }
    if up == NONE {
        return merged;
    }
    let parent = &mut nodes[up as usize];
    let child = if parent.left == node { &mut parent.left } else { &mut parent.right };
    *child = merged;
    root
}

/// Makes one heap of two; what is above it is left as it was.
fn merge(nodes: &mut [Node], one: u32, other: u32) -> u32 {
    if one == NONE || other == NONE {
        return if one == NONE { other } else { one };
    }
    let (top, mut rest) = in_order(nodes, one, other);
    let mut at = top;
    loop {
        let node = &mut nodes[at as usize];
        let edge = std::mem::replace(&mut node.right, node.left);
        let (next, then) = if edge == NONE { (rest, NONE) } else { in_order(nodes, edge, rest) };
        nodes[at as usize].left = next;
        nodes[next as usize].up = at;
        if then == NONE {
            return top;
        }
        (at, rest) = (next, then);
    }
}

/// The one that belongs on top, and the other.
fn in_order(nodes: &[Node], one: u32, other: u32) -> (u32, u32) {
    let ahead = nodes[one as usize].key.wrapping_sub(nodes[other as usize].key);
    if ahead > 0 || ahead == 0 && one < other { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_greatest_is_on_top(keys in vec(-3_i64..3, 1..40), moves in vec(0_usize..40, 0..80)) {
            // Keys around the end of what the type holds.
            let mut nodes: Vec<Node> = keys.iter().map(|key| Node::new(i64::MAX.wrapping_add(*key))).collect();
            let mut inside = vec![false; keys.len()];
            let mut root = NONE;
            for at in (0..keys.len()).chain(moves.into_iter().map(|at| at % keys.len())) {
                if inside[at] {
                    root = remove(&mut nodes, root, at as u32);
                } else {
                    nodes[at] = Node::new(nodes[at].key);
                    root = add(&mut nodes, root, at as u32);
                }
                inside[at] = !inside[at];
                let present = (0..keys.len()).filter(|at| inside[*at]);
                let first = present.max_by_key(|at| (keys[*at], std::cmp::Reverse(*at)));
                prop_assert_eq!(first.map_or(NONE, |at| at as u32), root);
            }
        }
    }
}
