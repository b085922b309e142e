#ifndef HWSR_BOUNDED_STREAM_H_
#define HWSR_BOUNDED_STREAM_H_

// Takes the place of the vendor's header of this name: an hls::stream holds so many words and no more. Every dataflow
// process is a coroutine that stops where it writes to a full stream or reads an empty one, until another process has
// made room or a word. The order in which they run changes nothing: what each reads and writes is fixed.

#include <cstddef>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace hwsr {

class fifo {
  public:
    fifo(const std::string &name, size_t depth) : name(name), depth(depth), peak(0) { all().push_back(this); }
    virtual ~fifo() {}
    virtual size_t size() const = 0;
    // Moves the oldest word that its writer keeps back into the FIFO.
    virtual void enter() = 0;
    static std::vector<fifo *> &all() {
        static std::vector<fifo *> made;
        return made;
    }

    const std::string name;
    size_t depth;
    size_t peak;
};

struct process {
    std::string name;
    size_t outputs;
    std::function<void()> body;
    ucontext_t context;
    // What it waits for, if anything: room in it, or a word.
    fifo *waits_for;
    bool for_room;
    bool done;
    // Streams of the words that it has in flight, as its pipeline would, the oldest first.
    std::deque<fifo *> in_flight;

    bool ready() const {
        return !done && (!waits_for || (for_room ? waits_for->size() < waits_for->depth : waits_for->size() > 0));
    }
};

class scheduler {
  public:
    // Words of every output that a process holds in flight until its frame ends.
    size_t held;

    static scheduler &get() {
        static scheduler one;
        return one;
    }

    // body: all frames of a process with so many output streams; it calls end_frame() after each.
    void add(const std::string &name, size_t outputs, const std::function<void()> &body) {
        process *p = new process();
        p->name = name;
        p->outputs = outputs;
        p->body = body;
        getcontext(&p->context);
        // As much stack as a program has; pages that are not used take no memory.
        const size_t size = 8 << 20;
        void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED) {
            std::cerr << "ERROR: no memory for the stack of " << name << std::endl;
            std::exit(2);
        }
        p->context.uc_stack.ss_sp = stack;
        p->context.uc_stack.ss_size = size;
        p->context.uc_link = &main_context;
        makecontext(&p->context, enter_current, 0);
        processes.push_back(p);
    }

    // Runs every process as long as any can go on. True when all have ended, false in a deadlock.
    bool run() {
        for (bool moved = true; moved;) {
            moved = false;
            for (size_t i = 0; i < processes.size(); i++) {
                if (processes[i]->ready()) {
                    moved = true;
                    current = processes[i];
                    current->waits_for = NULL;
                    swapcontext(&main_context, &current->context);
                }
            }
        }
        for (size_t i = 0; i < processes.size(); i++) {
            if (!processes[i]->done) {
                return false;
            }
        }
        return true;
    }

    void wait(fifo *for_what, bool for_room) {
        current->waits_for = for_what;
        current->for_room = for_room;
        swapcontext(&current->context, &main_context);
    }

    void written(fifo *to) {
        current->in_flight.push_back(to);
        if (current->in_flight.size() > held * current->outputs) {
            oldest_enters();
        }
    }

    void end_frame() {
        while (!current->in_flight.empty()) {
            oldest_enters();
        }
    }

    const std::vector<process *> &all() const { return processes; }

  private:
    scheduler() : held(0), current(NULL) {}

    void oldest_enters() {
        fifo *to = current->in_flight.front();
        current->in_flight.pop_front();
        to->enter();
    }

    static void enter_current() {
        process *self = get().current;
        self->body();
        self->done = true;
    }

    std::vector<process *> processes;
    process *current;
    ucontext_t main_context;
};

} // namespace hwsr

namespace hls {

// Without non-blocking accesses, empty() and full(): what they tell depends on the clock, which is not simulated.
template <typename T> class stream : public hwsr::fifo {
  public:
    stream(const std::string &name, size_t depth) : fifo(name, depth) {}

    T read() {
        while (words.empty()) {
            hwsr::scheduler::get().wait(this, false);
        }
        const T word = words.front();
        words.pop_front();
        return word;
    }
    void read(T &word) { word = read(); }
    void write(const T &word) {
        in_flight.push_back(word);
        hwsr::scheduler::get().written(this);
    }
    void enter() {
        while (words.size() >= depth) {
            hwsr::scheduler::get().wait(this, true);
        }
        words.push_back(in_flight.front());
        in_flight.pop_front();
        peak = words.size() > peak ? words.size() : peak;
    }
    size_t size() const { return words.size(); }

  private:
    stream(const stream &);
    stream &operator=(const stream &);

    std::deque<T> words;
    std::deque<T> in_flight;
};

} // namespace hls

#endif
