// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long a brake request takes after the sensors' frames that it answers.

/// Requests that are measured.
pub const REQUESTS: usize = 1000;

/// Times from the sending of the sensors' frames to the first valid request behind them, in ns, each cut off at
/// `u32::MAX`.
#[derive(Clone, Debug)]
pub struct Stamps {
    sent: Option<u64>,
    taken: usize,
    values: [u32; REQUESTS],
}

impl Default for Stamps {
    fn default() -> Self {
        Self {
            sent: None,
            taken: 0,
            values: [0; REQUESTS],
        }
    }
}

impl Stamps {
    /// The sensors' frames are sent from `now` on.
    pub const fn sent(&mut self, now: u64) {
        self.sent = Some(now);
    }

    /// A valid request was received at `now`. Says whether it was the last one that is wanted: once.
    pub fn answered(&mut self, now: u64) -> bool {
        let (Some(sent), Some(value)) = (self.sent.take(), self.values.get_mut(self.taken)) else {
            return false;
        };
        *value = u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX);
        self.taken += 1;
        self.taken == REQUESTS
    }

    /// Calls `action` with each value that was seen, in rising order, and how often it was.
    pub fn for_each(&mut self, mut action: impl FnMut(u32, usize)) {
        let values = self.values.get_mut(..self.taken).unwrap_or_default();
        values.sort_unstable();
        for run in values.chunk_by(|a, b| a == b) {
            if let Some(value) = run.first() {
                action(*value, run.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_answers_the_newest_frames_and_only_one_does() {
        let mut stamps = Stamps::default();
        assert!(!stamps.answered(5), "nothing was sent");
        stamps.sent(10);
        stamps.sent(20);
        assert!(!stamps.answered(27));
        assert!(!stamps.answered(29), "the frames have their answer");
        stamps.sent(30);
        assert!(!stamps.answered(33));
        let mut seen = [(0, 0); 2];
        let mut places = seen.iter_mut();
        stamps.for_each(|value, times| {
            if let Some(place) = places.next() {
                *place = (value, times);
            }
        });
        assert_eq!(seen, [(3, 1), (7, 1)]);
    }

    #[test]
    fn the_last_request_is_told_once() {
        let mut stamps = Stamps::default();
        let told = (0..REQUESTS as u64 + 10).filter(|&time| {
            stamps.sent(time);
            stamps.answered(time + u64::from(u32::MAX))
        });
        assert_eq!(told.count(), 1);
        let mut sum = 0;
        stamps.for_each(|value, times| {
            assert_eq!(value, u32::MAX);
            sum += times;
        });
        assert_eq!(sum, REQUESTS);
    }
}
