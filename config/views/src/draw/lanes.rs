// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Places boxes of one row: each as near as possible to what it is connected with, none over another.

/// Centres of boxes of these widths; `wish` is where each would like to be. Boxes come in the order of their
/// wishes (then of their index) with at least `gap` between them.
pub(super) fn spread(widths: &[i64], wishes: &[i64], gap: i64) -> Vec<i64> {
    let mut order: Vec<usize> = (0..widths.len().min(wishes.len())).collect();
    order.sort_by_key(|k| (wishes[*k], *k));
    // Clusters of boxes that touch: each lies where the mean of its wishes is best served.
    let mut clusters: Vec<Cluster> = Vec::new();
    for k in order {
        let mut cluster = Cluster {
            boxes: vec![k],
            width: widths[k],
            sum: wishes[k] - widths[k] / 2,
        };
        while let Some(last) = clusters.last() {
            if last.start() + last.width + gap <= cluster.start() {
                break;
            }
            let Some(last) = clusters.pop() else { break };
            cluster = last.join(cluster, gap);
        }
        clusters.push(cluster);
    }
    let mut centres = vec![0; widths.len()];
    for cluster in &clusters {
        let mut x = cluster.start();
        for k in &cluster.boxes {
            centres[*k] = x + widths[*k] / 2;
            x += widths[*k] + gap;
        }
    }
    centres
}

struct Cluster {
    boxes: Vec<usize>,
    width: i64,
    /// Sum over its boxes of where the cluster would begin if that box had its wish.
    sum: i64,
}

impl Cluster {
    fn start(&self) -> i64 {
        self.sum / i64::try_from(self.boxes.len().max(1)).unwrap_or(i64::MAX)
    }

    fn join(mut self, other: Cluster, gap: i64) -> Cluster {
        let shift = self.width + gap;
        let count = i64::try_from(other.boxes.len()).unwrap_or(0);
        self.sum += other.sum - shift * count;
        self.width = shift + other.width;
        self.boxes.extend(other.boxes);
        self
    }
}

/// The mean, or `otherwise` when there is nothing.
pub(super) fn mean(list: &[i64], otherwise: i64) -> i64 {
    match i64::try_from(list.len()) {
        Ok(count) if count > 0 => list.iter().sum::<i64>() / count,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_their_wish_where_there_is_room_and_never_overlap() {
        assert_eq!(spread(&[10, 10], &[100, 200], 5), [100, 200]);
        let centres = spread(&[100, 100, 60], &[50, 60, 40], 10);
        let mut edges: Vec<(i64, i64)> = centres
            .iter()
            .zip([100, 100, 60])
            .map(|(c, w)| (c - w / 2, c + w / 2))
            .collect();
        edges.sort_unstable();
        assert!(edges.windows(2).all(|w| w[0].1 + 10 <= w[1].0), "{edges:?}");
        assert!(centres[2] < centres[0] && centres[0] < centres[1]);
    }
}
