// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A core that runs a slot table and one vCPU with tasks, from event to event. It knows nothing of busy windows, supply
//! bounds or interference: EL2 begins slots late, interrupts are taken when the vCPU runs, the most urgent
//! ready job runs, a stay in EL2 is not preempted, owners of locks run ahead of the slot, and jobs wait for locks.

use std::collections::VecDeque;

use bulkhead_analysis::response::Load;

use crate::random::Random;

/// Upper limits of what EL2 takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// Slot's begin to the begin of the switch.
    pub(crate) late: u64,
    /// The switch.
    pub(crate) switch: u64,
    /// How early a slot may end.
    pub(crate) tick: u64,
    /// An interrupt.
    pub(crate) interrupt: u64,
    /// A stay in EL2 on behalf of a job or of code that is no task.
    pub(crate) stay: u64,
}

/// What locks may take in a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Locks {
    /// Owners of other partitions that run ahead of the slot table.
    pub(crate) boosts: u64,
    /// Jobs of the vCPU that wait.
    pub(crate) waits: u64,
}

/// Where in the slots locks take their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As soon as a job is kept from running by it.
    Begin,
    /// At the end of the slot.
    End,
    /// In pieces, anywhere.
    Anywhere,
}

/// A vCPU. The tasks are in order of urgency. Without slots it runs always.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) frame: u64,
    pub(crate) slots: Vec<(u64, u64)>,
    pub(crate) costs: Costs,
    pub(crate) locks: Locks,
    pub(crate) tasks: Vec<Load>,
}

/// When what is allowed to vary is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Every time at its limit; the first release of each task at its full jitter, all others without.
    Worst,
    /// Drawn anew each time, with gaps between activations now and then.
    Drawn,
}

struct Job {
    activation: u64,
    left: u64,
    /// The job goes to EL2 when this much is left, until that much is left.
    stay: Option<(u64, u64)>,
}

struct Stream {
    load: Load,
    /// The next activation and its release.
    activation: u64,
    release: u64,
    queue: VecDeque<Job>,
    worst: u64,
}

/// What runs.
#[derive(Clone, Copy)]
enum Running {
    Interrupt,
    Job(usize),
    Stay(Option<usize>),
    Boost(u64),
    Wait(u64),
    Idle,
}

struct Core<'a> {
    system: &'a System,
    habit: Habit,
    random: &'a mut Random,
    now: u64,
    /// The slot that is or comes next, counted from 0 for ever, and when it really begins and ends.
    slot: u64,
    window: (u64, u64),
    streams: Vec<Stream>,
    /// Time that EL2 still needs for pending interrupts.
    interrupts: u64,
    /// Who stays in EL2, and how long still; nobody is the code that is no task.
    stay: Option<(Option<usize>, u64)>,
    /// What locks may still take in this frame, and when and with what number EL2 begins the next.
    locks: Locks,
    next_frame: (u64, u64),
    place: Place,
}

/// The longest response time of each task until `horizon`, when its first release is at `first`.
pub(crate) fn simulate(
    system: &System,
    first: &[u64],
    horizon: u64,
    habit: Habit,
    random: &mut Random,
) -> Vec<u64> {
    let streams = system.tasks.iter().zip(first).map(|(load, first)| {
        let early = match habit {
            Habit::Worst => load.jitter,
            Habit::Drawn => 0,
        };
        Stream {
            load: *load,
            // Times begin late enough for every jitter.
            activation: first - early,
            release: *first,
            queue: VecDeque::new(),
            worst: 0,
        }
    });
    let streams = streams.collect();
    let mut core = Core {
        system,
        habit,
        random,
        now: 0,
        slot: 0,
        window: (0, 0),
        streams,
        interrupts: 0,
        stay: None,
        locks: Locks::default(),
        next_frame: (0, 0),
        place: Place::Begin,
    };
    // Nothing happens before the frame of the first release.
    let frame = first.iter().min().unwrap() / system.frame;
    core.now = frame * system.frame;
    core.slot = frame * system.slots.len() as u64;
    core.window = core.window_of(core.slot);
    core.next_frame = if system.slots.is_empty() {
        (u64::MAX, 0)
    } else {
        (core.now, frame)
    };
    while core.now < horizon {
        core.step();
    }
    core.streams.iter().map(|s| s.worst).collect()
}

impl Core<'_> {
    fn draw(&mut self, limit: u64) -> u64 {
        match self.habit {
            Habit::Worst => limit,
            Habit::Drawn if self.random.one_in(2) => limit,
            Habit::Drawn => self.random.range(0, limit),
        }
    }

    fn window_of(&mut self, slot: u64) -> (u64, u64) {
        let slots = &self.system.slots;
        if slots.is_empty() {
            return (0, u64::MAX);
        }
        let count = slots.len() as u64;
        let frame = slot / count * self.system.frame;
        let (begin, end) = slots[(slot % count) as usize];
        let Costs {
            late, switch, tick, ..
        } = self.system.costs;
        let (late, switch, tick) = (self.draw(late), self.draw(switch), self.draw(tick));
        (frame + begin + late + switch, frame + end - tick)
    }

    fn step(&mut self) {
        for index in 0..self.streams.len() {
            while self.streams[index].release <= self.now {
                self.release(index);
            }
        }
        while self.window.1 <= self.now {
            self.slot += 1;
            self.window = self.window_of(self.slot);
        }
        while self.next_frame.0 <= self.now {
            self.begin_frame();
        }
        let next_release = self.streams.iter().map(|s| s.release).min().unwrap();
        if self.now < self.window.0 {
            self.now = next_release.min(self.window.0);
            return;
        }
        let mut until = next_release.min(self.window.1).min(self.next_frame.0) - self.now;
        let running = self.running();
        if self.place == Place::End && matches!(running, Running::Job(_) | Running::Idle) {
            // Look again when what is left in the slot is what locks may take.
            let left = self.window.1 - self.now;
            for taken in [self.locks.boosts, self.locks.waits] {
                if (1..left).contains(&taken) {
                    until = until.min(left - taken);
                }
            }
        }
        let wanted = match running {
            Running::Interrupt => self.interrupts,
            Running::Stay(_) => self.stay.map_or(0, |(_, left)| left),
            Running::Boost(time) | Running::Wait(time) => time,
            Running::Idle => until,
            Running::Job(index) => {
                let job = self.streams[index].queue.front().unwrap();
                // It may go to EL2 before it ends.
                job.left - job.stay.map_or(0, |(from, _)| from)
            }
        };
        let time = wanted.min(until);
        self.now += time;
        match running {
            Running::Idle => {}
            Running::Interrupt => self.interrupts -= time,
            Running::Boost(_) => self.locks.boosts -= time,
            Running::Wait(_) => self.locks.waits -= time,
            Running::Job(index) => self.execute(index, time),
            Running::Stay(owner) => {
                let left = wanted - time;
                self.stay = (left > 0).then_some((owner, left));
                if let Some(index) = owner {
                    self.execute(index, time);
                }
            }
        }
    }

    fn begin_frame(&mut self) {
        let system = self.system;
        self.locks.boosts = self.draw(system.locks.boosts);
        self.locks.waits = self.draw(system.locks.waits);
        self.place = match self.random.range(0, 3) {
            0 => Place::End,
            1 => Place::Anywhere,
            _ => Place::Begin,
        };
        let number = self.next_frame.1 + 1;
        let late = self.draw(system.costs.late);
        self.next_frame = (number * system.frame + late, number);
    }

    /// How much of what locks may still take they take now.
    fn taken(&mut self, left: u64) -> u64 {
        let ready = self.streams.iter().any(|s| !s.queue.is_empty());
        match self.place {
            _ if left == 0 => 0,
            Place::Begin => left * u64::from(ready),
            Place::End => left * u64::from(self.window.1 - self.now <= left),
            Place::Anywhere if self.random.one_in(3) => self.random.range(1, left),
            Place::Anywhere => 0,
        }
    }

    fn running(&mut self) -> Running {
        let boost = self.taken(self.locks.boosts);
        if boost > 0 {
            return Running::Boost(boost);
        }
        if let Some((owner, _)) = self.stay {
            return Running::Stay(owner);
        }
        if self.interrupts > 0 {
            return Running::Interrupt;
        }
        if let Some(index) = self.streams.iter().position(|s| !s.queue.is_empty()) {
            // Only a job waits; the vCPU sleeps meanwhile.
            let wait = self.taken(self.locks.waits);
            if wait > 0 {
                return Running::Wait(wait);
            }
            let job = self.streams[index].queue.front_mut().unwrap();
            return match job.stay {
                Some((from, to)) if job.left <= from => {
                    job.stay = None;
                    self.stay = Some((Some(index), from - to));
                    Running::Stay(Some(index))
                }
                _ => Running::Job(index),
            };
        }
        let stay = self.system.costs.stay;
        // Code that is no task goes to EL2 just before the next release.
        let next = self.streams.iter().map(|s| s.release).min().unwrap();
        if stay > 0 && next == self.now + 1 {
            let stay = self.draw(stay);
            self.stay = (stay > 0).then_some((None, stay));
            return if stay > 0 {
                Running::Stay(None)
            } else {
                Running::Idle
            };
        }
        Running::Idle
    }

    fn execute(&mut self, index: usize, time: u64) {
        let stream = &mut self.streams[index];
        let job = stream.queue.front_mut().unwrap();
        job.left -= time;
        if job.left == 0 {
            stream.worst = stream.worst.max(self.now - job.activation);
            stream.queue.pop_front();
        }
    }

    fn release(&mut self, index: usize) {
        let load = self.streams[index].load;
        let left = self.draw(load.wcet).max(1);
        let stay = self.draw(self.system.costs.stay).min(left);
        let to = self.random.range(0, left - stay);
        let gap = match self.habit {
            Habit::Drawn if self.random.one_in(10) => self.random.range(0, load.period),
            Habit::Worst | Habit::Drawn => 0,
        };
        let jitter = match self.habit {
            Habit::Worst => 0,
            Habit::Drawn => self.draw(load.jitter),
        };
        self.interrupts += self.draw(self.system.costs.interrupt);
        let stream = &mut self.streams[index];
        stream.queue.push_back(Job {
            activation: stream.activation,
            left,
            stay: (stay > 0).then_some((to + stay, to)),
        });
        stream.activation += load.period + gap;
        // Releases of one task keep their order.
        stream.release = stream.release.max(stream.activation + jitter);
    }
}
