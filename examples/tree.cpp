// Prints the files and directories of a server, and downloads the named files.
//
//     c++ tree.cpp $(pkg-config --cflags --libs ftx) -o tree
//     ./tree 127.0.0.1:7411 [FILE...]
#include <ftx.hpp>

#include <iostream>

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cerr << "usage: tree HOST:PORT [FILE...]\n";
        return 2;
    }
    try {
        ftx::client client(argv[1]);
        client.list("", true, [](const ftx::entry &entry) {
            const bool other = !entry.is_file && !entry.is_directory;
            std::cout << entry.name << (other ? " (cannot be transferred)" : "") << "\n";
            return true; // false ends the listing
        });
        ftx::files files;
        for (int index = 2; index < argc; index++)
            files.emplace_back(argv[index], argv[index]);
        client.download(files);
        return 0;
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
