/* Parses every text on standard input, each after its length (a size_t), and prints how many are well-formed states. Built with
 * sanitizers, it ends at the first text that makes the parser misbehave. */
#include <stdio.h>
#include <stdlib.h>
#include "state.h"
int main(void)
{
    size_t length;
    int good = 0;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        char *text = calloc(1, length + 1);
        struct state *state = calloc(1, sizeof *state);
        if (fread(text, 1, length, stdin) != length)
            return 2;
        if (state_parse(text, state)) {
            good++;
            for (unsigned int i = 0; i < state->gpu_count; i++)
                (void)(value_whole(&state->gpus[i].power) + value_whole(&state->gpus[i].fan));
        }
        free(state);
        free(text);
    }
    printf("%d\n", good);
    return 0;
}
